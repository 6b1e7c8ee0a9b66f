// Hills: a mountain lake in the early morning. One unit is 100 m.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 5 adc_bailout 1/80 }
#default { finish { ambient 0 diffuse .8 } }

#declare Sun = vnormalize(<-1.15, .52, -.62>);
#declare Haze = srgb <.66, .74, .83>;
camera { location <0, .34, -9> look_at <.1, 1.62, 10> right x*1.5 up y angle 52 }
light_source { Sun*4000 srgb <1, .87, .68>*2.3 parallel point_at 0 }
light_source { <.6, 3, -.5>*1000 srgb <.50, .62, .84>*.27 shadowless }
light_source { <-3, .6, 1>*1000 srgb <.80, .72, .66>*.12 shadowless }

// Sky.
sky_sphere {
  pigment { gradient y color_map {
    [0 srgb <.93, .86, .78>] [.05 srgb <.82, .84, .86>] [.16 srgb <.58, .72, .88>] [.42 srgb <.30, .50, .78>] [1 srgb <.14, .28, .58>] } }
}
#macro Clouds(Height, Scale, From, Light, Dark, Move)
  plane { y, Height hollow no_shadow
    pigment { bozo turbulence .85 octaves 9 omega .54 lambda 2.15
      color_map { [From Light transmit 1] [From + .10 Light transmit .55] [From + .24 Light transmit .12] [1 Dark transmit .05] }
      scale Scale translate Move }
    finish { emission 1 diffuse 0 } }
#end
Clouds(30, <34, 1, 15>, .53, srgb <1.0, .97, .93>, srgb <.78, .79, .84>, <11, 0, 4>)
Clouds(60, <95, 1, 26>, .50, srgb <1, .98, .96>, srgb <.9, .92, .95>, <-30, 0, 9>)

// Air: thin haze everywhere, mist over the water.
fog { fog_type 2 distance 46 color Haze transmit .05 fog_offset 0 fog_alt 2.6 }
fog { fog_type 2 distance 13 color srgb <.86, .86, .87> transmit .2 fog_offset .01 fog_alt .07 turbulence .6 turb_depth .5 }

// Ridged noise, six octaves and more.
#declare Noise = function { pattern { bozo } }
#declare Ridge = function(x, y, z) { pow(1 - abs(2*Noise(x, y, z) - 1), 2) }
#declare Rock = function(x, z) {
  .50*Ridge(x, 1.7, z) + .27*Ridge(x*2.03 + 5, 3.1, z*2.03)*(.4 + Ridge(x, 1.7, z)) + .14*Ridge(x*4.1, 9.2, z*4.1)*(.3 + Ridge(x, 1.7, z))
  + .075*Ridge(x*8.3, 2.8, z*8.3) + .04*Ridge(x*17, 6.6, z*17) + .022*Ridge(x*36, 4.4, z*36) + .012*Noise(x*90, 1, z*90) }
#declare Swell = function(x, z) {
  .55*Noise(x, 7.7, z) + .27*Noise(x*2.1, 3.3, z*2.1) + .11*Noise(x*4.4, 8.1, z*4.4) + .05*Noise(x*9, 2, z*9) + .025*Noise(x*21, 5, z*21) + .012*Noise(x*60, 5, z*60) }
#declare Clip = function(v) { min(.999, max(0, v)) }

// Far range, with snow. (In a function of an image y runs from far to near.)
#declare Range = height_field { function 900, 500 {
  Clip((Rock(x*5.2 + 3.4, (1 - y)*2.1 + 1.3)*.86 + .10*Noise(x*3 + .4, 0, 0))*pow(sin(pi*min(1, .02 + .80*(1 - y))), .75)*.93 - .09 + .18*exp(-pow((x - .60)/.10, 2) - pow((y - .42)/.25, 2))) } smooth translate -.5*x scale <88, 15.5, 34> }
object { Range translate <0, -.55, 29>
  texture { pigment { slope y
    pigment_map {
      [.66 granite color_map { [0 srgb <.36, .33, .33>] [.5 srgb <.47, .43, .41>] [1 srgb <.27, .26, .27>] } scale 3]
      [.79 gradient y color_map { [.27 srgb <.32, .33, .27>] [.36 srgb <.43, .40, .37>] [.44 srgb <.93, .93, .95>] } scale 15 ]
      [.88 gradient y turbulence .06 color_map { [.20 srgb <.23, .29, .19>] [.29 srgb <.36, .37, .30>] [.345 srgb <.92, .93, .96>] } scale 15 ] } }
    normal { granite .55 scale 1.3 } }
}

// Middle hills.
#declare Middle = height_field { function 700, 400 {
  Clip((Swell(x*5 + 1.2, (1 - y)*2.1 + 4)*.9 + .16*Ridge(x*6, 3, y*3))*(.15 + .95*pow(abs(2*x - 1.0), .8))*sin(pi*min(1, max(0, .03 + .8*(1 - y)))) - .10) } smooth translate -.5*x scale <44, 5.2, 17> }
#declare MiddleHill = object { Middle translate <0, -.05, 10.5> }
object { MiddleHill
  pigment { granite turbulence .4 color_map { [0 srgb <.16, .21, .11>] [.5 srgb <.25, .30, .15>] [.8 srgb <.34, .33, .20>] [1 srgb <.38, .35, .28>] } scale 2.2 }
  normal { granite .5 scale .4 }
}

// Near shores: a promontory from the left, meadows at the right.
#declare Shore = height_field { function 700, 500 {
  Clip((.30 + .75*Swell(x*6 + 9, (1 - y)*3.4))*(
      .72*exp(-pow(max(0, x - .30)/.085, 2) - pow((y - .66)/.15, 2))
    + .62*exp(-pow(min(0, x - .80)/.13, 2) - pow((y - .52)/.20, 2))
    + .30*exp(-pow((y - .0)/.10, 2)) ) - .105) } smooth translate -.5*x scale <26, 2.4, 14> }
#declare NearShore = object { Shore translate <0, -.012, -4.2> }
#declare Meadow = texture {
  pigment { slope y
    pigment_map {
      [.62 granite color_map { [0 srgb <.40, .37, .33>] [1 srgb <.26, .24, .21>] } scale .4]
      [.80 bozo turbulence .8 octaves 7 color_map { [.2 srgb <.27, .33, .11>] [.5 srgb <.40, .43, .17>] [.8 srgb <.52, .49, .24>] } scale .45] } }
  normal { granite .35 scale .05 } }
object { NearShore texture { Meadow } }

// Conifers: three meshes, many times.
#macro Conifer(Seed, Tiers, Spread, Bright)
  #local S = seed(Seed);
  mesh {
    #for (I, 0, Tiers - 1)
      #local T = I/Tiers;
      #local L = Spread*pow(1 - T, .85)*(.75 + .4*rand(S)) + .012;
      #for (J, 0, 8)
        #local A = 360*(J + rand(S))/9;
        #local Y = .08 + .92*T + .03*rand(S);
        #local Drop = L*(.25 + .45*rand(S));
        #local Tip = vrotate(<L, Y - Drop, 0>, y*A);
        #for (K, 0, 3)
          #local C = (K + .4)/4;
          #local Base = <0, Y, 0>*(1 - C) + Tip*C + <0, .012, 0>;
          #local W = L*.34*(1.1 - C)*(.6 + .8*rand(S));
          triangle { Base, Tip*.25 + Base*.75 + vrotate(<W*.3, -.02 - .04*rand(S), W>, y*A), Base + (Tip - Base)*.5 }
          triangle { Base, Tip*.25 + Base*.75 + vrotate(<W*.3, -.02 - .04*rand(S), -W>, y*A), Base + (Tip - Base)*.5 }
        #end
      #end
    #end
    triangle { <-.012, 0, 0>, <.012, 0, 0>, <0, .9, 0> } triangle { <0, 0, -.012>, <0, 0, .012>, <0, .9, 0> }
    pigment { srgb Bright }
    finish { diffuse .75 }
  }
#end
#declare Trees = array[4]
#declare Trees[0] = Conifer(1, 20, .19, <.17, .25, .12>)
#declare Trees[1] = Conifer(2, 17, .23, <.20, .27, .12>)
#declare Trees[2] = Conifer(3, 22, .16, <.14, .21, .12>)
#declare Trees[3] = Conifer(4, 16, .25, <.27, .29, .12>)
#declare R = seed(20);
#macro Forest(Ground, Count, X0, X1, Z0, Z1, Size, Low, Grain, Share)
  #local Left = Count;
  #while (Left > 0)
    #local Left = Left - 1;
    #local X = X0 + (X1 - X0)*rand(R);
    #local Z = Z0 + (Z1 - Z0)*rand(R);
    #local Pick = int(rand(R)*3.999);
    #local Big = Size*(.45 + .75*rand(R));
    #local Turn = 360*rand(R);
    #if (Noise(X*Grain, 11, Z*Grain)*.8 + .2*Noise(X*Grain*5, 2, Z*Grain*5) > Share)
      #local N = <0, 0, 0>;
      #local At = trace(Ground, <X, 50, Z>, -y, N);
      #if (vlength(N) > 0 & At.y > Low & N.y > .62)
        object { Trees[Pick] rotate y*Turn scale Big*<1, .85 + .3*rand(R), 1> translate At - y*.02*Big }
      #end
    #end
  #end
#end
Forest(NearShore, 6500, -13, 0, -4, 8, .36, .03, .55, .36)
Forest(NearShore, 3800, 2, 13, -4, 8, .36, .05, .55, .50)
Forest(NearShore, 2500, -8, 8, 5, 9.7, .34, .03, .55, .40)
Forest(MiddleHill, 30000, -20, 20, 11, 24, .40, .05, .28, .42)

// Water.
plane { y, 0
  pigment { srgb <.03, .075, .085> }
  normal { average normal_map {
    [1 bumps .010 scale <.5, 1, .16> turbulence .3]
    [1 bumps .009 scale <.09, 1, .035> turbulence .3]
    [.6 bozo .03 scale <6, 1, 1.6>] } }
  finish { diffuse .5 specular .2 roughness .003 reflection { 0, 1 fresnel on } conserve_energy }
  interior { ior 1.33 }
}

// The bank at our feet: stones in the water, reeds.
#declare Stones = seed(5);
#for (I, 0, 140)
  #local U = rand(Stones);
  #local X = -1.05 + 1.15*U + 1.0*pow(U, 8);
  #local Z = -7.58 + .55*pow(rand(Stones), 1.5)*abs(X)*1.2 + .2*rand(Stones);
  #local S = .008 + .045*pow(rand(Stones), 4);
  isosurface { function { sqrt(x*x + y*y*2.2 + z*z) - .8 - .75*(Noise(x*1.1 + I*9, y*1.1, z*1.1) - .5) - .06*Noise(x*9, y*9 + I, z*9) }
    contained_by { box { -1.5, 1.5 } } max_gradient 1.9 accuracy .004
    texture { pigment { granite color_map { [0 srgb <.46, .44, .41>] [.5 srgb <.34, .32, .30>] [1 srgb <.22, .20, .19>] } scale 1.5 translate I } normal { granite .25 scale .5 } }
    rotate y*rand(Stones)*360 scale S translate <X, .2*S - .006, Z> }
#end
